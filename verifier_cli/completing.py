"""`datasigil-verify completion`: a script that completes this command line in bash, zsh or fish.

Here: the script, made from the parser itself so that it cannot name an option that is not there. Not here: the arguments.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from datasigil.report.terminal import OK
from verifier_cli.arguments import parser

if TYPE_CHECKING:
    from argparse import Namespace

    from datasigil.report.terminal import Console

_BASH = """# Completion of datasigil-verify for bash, made by `datasigil-verify completion bash`.
_datasigil_verify() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" path="" word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case " ${{path:+$path }}$word " in
{paths}
        esac
    done
    local words=""
    case "$path" in
{words}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    [[ ${{#COMPREPLY[@]}} -eq 0 ]] && COMPREPLY=($(compgen -f -- "$current"))
}}
complete -o filenames -F _datasigil_verify datasigil-verify
"""


def run(given: Namespace, console: Console) -> int:
    """Write the script to standard output."""
    words = _words(parser())
    script = _fish(words) if given.shell == "fish" else _bash(words)
    if given.shell == "zsh":
        script = "#compdef datasigil-verify\nautoload -U +X bashcompinit && bashcompinit\n" + script
    document = {"type": "CompletionScript", "formatVersion": 1, "shell": given.shell, "script": script}
    console.result(document, script)
    return OK


def _words(top: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], list[str]]:
    """Return, for every command by its path, the words that may follow it."""
    found: dict[tuple[str, ...], list[str]] = {path: []}
    for action in top._actions:  # noqa: SLF001 - argparse has no public way to ask for a parser's options
        found[path] += action.option_strings
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - same
            found[path] += action.choices
            for name, one in action.choices.items():
                found |= _words(one, (*path, name))
        elif action.choices is not None and not action.option_strings:
            found[path] += [str(choice) for choice in action.choices]
    return found


def _bash(words: dict[tuple[str, ...], list[str]]) -> str:
    paths = [" ".join(path) for path in words if path]
    return _BASH.format(
        paths="\n".join(f'            " {path} ") path="{path}" ;;' for path in paths),
        words="\n".join(f'        "{" ".join(path)}") words="{" ".join(found)}" ;;' for path, found in words.items()),
    )


def _fish(words: dict[tuple[str, ...], list[str]]) -> str:
    lines = ["# Completion of datasigil-verify for fish, made by `datasigil-verify completion fish`."]
    for path, found in words.items():
        seen = "; and ".join(f"__fish_seen_subcommand_from {name}" for name in path) or "__fish_use_subcommand"
        for word in found:
            what = (
                f"-l {word[2:]}"
                if word.startswith("--")
                else f"-s {word[1:]}"
                if word.startswith("-")
                else f"-a {word}"
            )
            lines.append(f"complete -c datasigil-verify -n '{seen}' {what}")
    return "\n".join(lines) + "\n"
