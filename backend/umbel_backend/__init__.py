"""What the console and the command line stand on: events, broker, database, recorder."""
