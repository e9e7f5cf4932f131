"""`gatehouse` and `piccolo` for a shell, without the second that Python takes to import them.

The programs in the folder that `write_programs` fills request a fork of a process of `tests.commands`, with
their own arguments, working directory, environment and standard streams, and end with its exit code.
"""

import sys
from pathlib import Path

from tests.commands import PROGRAMS, forking_processes

PROGRAM = """#!{python} -IS
import json, os, signal, socket, sys

reports, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
request = json.dumps([words, os.getcwd(), dict(os.environ)]).encode()
with socket.socket(fileno={requests}) as requests, its:
    socket.send_fds(requests, [request], [its.fileno(), 0, 1, 2])
pid = int(reports.recv(100))
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda received, frame: os.kill(pid, received))
code = os.waitstatus_to_exitcode(int(reports.recv(100)))
sys.exit(code if code >= 0 else 128 - code)
"""


def write_programs(folder: Path) -> int:
    """Write the programs; returns the file descriptor that processes which run them have to inherit."""
    requests = forking_processes()[True].fileno()
    folder.mkdir()
    for name in PROGRAMS:
        program = folder / name
        program.write_text(PROGRAM.format(python=sys.executable, requests=requests))
        program.chmod(0o755)
    return requests
