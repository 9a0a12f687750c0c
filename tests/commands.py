"""Runs commands one after the other in one process, so that torch is imported once.

    python tests/commands.py COMMAND ...

Prints JSON: for each command its exit code and what it printed.
"""

import json
import runpy
import shlex
import shutil
import sys
from contextlib import redirect_stdout
from io import StringIO


def run(command: str) -> tuple[int, str]:
    """Run `python -m MODULE ...` or an installed Python program; return its code and its output."""
    program, *rest = shlex.split(command)
    out, code = StringIO(), 0
    try:
        with redirect_stdout(out):
            if program == "python":
                option, module, *arguments = rest
                assert option == "-m", command
                sys.argv = [module, *arguments]
                runpy.run_module(module, run_name="__main__", alter_sys=True)
            else:
                path = shutil.which(program)
                assert path is not None, command
                sys.argv = [path, *rest]
                runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        code = int(end.code or 0)
    return code, out.getvalue()


if __name__ == "__main__":
    sys.stdout.write(json.dumps([run(command) for command in sys.argv[1:]]))
