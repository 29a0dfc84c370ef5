"""``umbel completion SHELL``: the script that makes a shell complete ``umbel`` command lines."""

from __future__ import annotations

import click

from umbel_console.cli.output import print_line

SHELLS = ("bash", "zsh", "fish")
_NO_SPACE = "[[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *: ]] && compopt -o nospace"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash  umbel completion bash > ~/.local/share/bash-completion/completions/umbel
    zsh   umbel completion zsh > "${fpath[1]}/_umbel"
    fish  umbel completion fish > ~/.config/fish/completions/umbel.fish
    """
    from click.shell_completion import get_completion_class

    from umbel_console.cli.entry import COMPLETE_VARIABLE
    from umbel_console.cli.group import root

    cls = get_completion_class(shell)
    assert cls is not None, "click completes these three shells"
    source = cls(root, {}, "umbel", COMPLETE_VARIABLE)
    # `source()` would look for an installed bash and complain; the script may be for elsewhere.
    script = source.source_template % source.source_vars()
    if shell == "bash":
        # A field's name waits for its value: no space after the colon.
        script = script.replace("    return 0\n", f"    {_NO_SPACE}\n    return 0\n", 1)
    print_line(script)
