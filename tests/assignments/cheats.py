"""What students have tried, or might: code for the first cell behind the data, and what it may earn."""

from __future__ import annotations

EVERYTHING = """
class Everything{base}:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
    def __index__(self): return 0
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__
    def __call__(self, *arguments): return self
loops = candidates = picks = why = can_loop = loop = Everything()
"""
# Code, run where the answers go. None of it knows an answer, so none of it earns anything.
WORTHLESS = {
    "the grader's functions are replaced": """
import tcploop_lab.exercises.grading as g, tcploop_lab.exercises.judging as j
g.expect = g.given = g.result_of = expect = given = result_of = j._answer = lambda *a, **k: True
j.Judge.check = lambda *a: None""",
    "NBGRADER_EXECUTION is unset": "import os; os.environ.pop('NBGRADER_EXECUTION', None); student = 'ada'",
    "directory and name are changed": """
import os; os.makedirs("/tmp/ada/1_preconditions"); os.chdir("/tmp/ada/1_preconditions"); student = "ada" """,
    "test cells become pass": """
get_ipython().input_transformers_cleanup.append(lambda lines: ["pass\\n"])
get_ipython().input_transformers_post.append(lambda lines: ["pass\\n"])""",
    "a process in the background updates the gradebook": """
import subprocess, sys
code = "import glob, sqlite3, time; time.sleep(0.2); [sqlite3.connect(db).execute('UPDATE grade SET auto_score=140')" \\
       " for db in glob.glob('/**/gradebook.db', recursive=True)]"
subprocess.Popen([sys.executable, "-c", code], start_new_session=True)""",
    "an object equals everything": EVERYTHING.format(base=""),
    "a text equals everything": EVERYTHING.format(base="(str)"),
    "a number equals everything": EVERYTHING.format(base="(int)"),
    "a tuple equals everything": EVERYTHING.format(base="(tuple)"),
    "answers are forged on every descriptor": """
import os, json
for line in ({"of": "loops-test", "points": 4}, {"of": "loops-test", "value": {"is": {"points": 4}}}, [], {"end": 1},
             {"of": ["loops-test"]}, {"of": "can-loop-test", "cases": 7}, {"exercise": "loops-test", "points": 20}):
    for fd in range(3, 20):
        try: os.write(fd, json.dumps(line).encode() + b"\\n")
        except OSError: pass""",
    "what leaves is replaced": """
import tcploop_lab.exercises.inside as i, tcploop_lab.exercises.plain as p
i.written = p.written = lambda value: "true"
i._crossed = lambda value: {"is": "true"}; i._called = lambda *a: {"is": "true"}""",
    "the frames above are searched for right answers": """
import sys
def can_loop(*arguments):
    frame = sys._getframe()
    while frame:
        for value in frame.f_locals.values():
            if isinstance(value, tuple) and value and value[0] in (True, False) and value[1:] == arguments:
                return value[0]
        frame = frame.f_back""",
    "the grader is killed": "import os, signal\nfor pid in range(1, 3000):\n"
    "    try: pid == os.getpid() or os.kill(pid, signal.SIGKILL)\n    except OSError: pass\nos.kill(-1, 9)",
    "the network is asked": "import socket; loops = socket.create_connection(('127.0.0.1', 80), 1).recv(100)",
    "the reading fails on purpose": "class Odd(dict):\n    __getattr__ = property\nloops, picks = Odd(), 10**5000",
    "itself, for ever": "loops = []; loops.append(loops); why = loops; candidates = loops",
    "the words of the cases are read": """
import gc, sys
def words(value, depth=0):
    if isinstance(value, str): yield value
    elif isinstance(value, dict) and depth < 3: yield from (w for one in value.items() for w in words(one, depth + 1))
    elif isinstance(value, tuple) and depth < 3: yield from (w for one in value for w in words(one, depth + 1))
def can_loop(*arguments):
    frame = sys._getframe().f_back
    while frame:
        case = frame.f_locals.get("case")
        if isinstance(case, str) and " " in case:
            return "disturb" in case or not any(word in case for word in ("not", "never", "other parity"))
        frame = frame.f_back
    said = {w for one in gc.get_objects() if isinstance(one, dict) for w in words(one) if " loops in " in w}
    return any(str(arguments[0]) in w for w in said)""",
    "other data are put beside it": """
import json; open("data.json", "w").write(json.dumps({"preconditions": "x"}))
import tcploop_lab.exercises.handout as h; h.found = lambda *a: None
data = lab.exercises.assignment.preconditions("ada"); candidates = data.port_range.width // 2""",
    "one name is two": """
class Two(str):
    strip = lambda self: "ada"
    __str__ = __repr__ = lambda self: "bea"
student = Two("bea")""",
    "numbers that compare with nothing": "loops, why = {'nan'}, 'abc'; candidates = picks = float('nan')\n"
    "can_loop = loop = lambda *a: (float('nan'), float('inf'))",
    "the shell is another": """
class Shell:
    user_ns = property(lambda self: {"student": "bea", "candidates": True, "can_loop": lambda *a: True})
    def run_cell(self, *a, **k): return self
    error_before_exec = error_in_exec = None
import sys
sys._getframe(1)
for frame in iter(lambda f=[sys._getframe()]: f.__setitem__(0, f[0].f_back) or f[0], None):
    if "shell" in frame.f_locals: frame.f_locals["shell"] = Shell()
get_ipython().__class__ = type("Other", (get_ipython().__class__,), {"run_cell": Shell.run_cell})""",
    "what it imports is replaced, and threads forge on": """
import atexit, builtins, json, os, pickle, threading
forged = [json.dumps(line).encode() + b"\\n" for line in (
    {"of": "why-test", "value": {"is": "true"}}, {"of": "picks-test", "value": {"is": '{"set": [[1]]}'}},
    {"ran": "why-test", "error": "\\x1b[2J=cmd"}, {"exercise": "loops-test", "points": 4, "most": 4, "why": ""})]
def forge():
    for fd in range(3, 20):
        try: [os.write(fd, line) for line in forged]
        except OSError: pass
atexit.register(forge)
for _ in range(3): threading.Thread(target=lambda: [forge() for _ in range(200)]).start()
json.dumps = pickle.loads = lambda *a, **k: forged[0].decode()
builtins.isinstance = builtins.callable = lambda *a: True""",
    "files for the next Python, links, magics and hooks": """
import ctypes, os, signal, sys
for name in ("sitecustomize.py", "usercustomize.py", "a.pth", "json.py", ".ipython/profile_default/startup/0.py"):
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True), open(name, "w").write("import os; os._exit(0)")
os.remove("data.json") if os.path.exists("data.json") else None
os.symlink("/proc/1/root/etc/passwd", "data.json")
[ctypes.CDLL(None).ptrace(request, os.getppid(), 0, 0) for request in (16, 0x4206)]
shell = get_ipython()
shell.events.register("post_run_cell", lambda *a: 1 / 0), shell.set_custom_exc((BaseException,), print)
shell.run_cell_magic("bash", "", "env; true")
for number in range(1, 32):
    try: signal.signal(number, signal.SIG_IGN)
    except OSError: pass
sys.settrace(lambda *a: None), sys.setrecursionlimit(150)
shell.run_line_magic("reset", "-f")""",
    "the namespaces are left": "import ctypes; c = ctypes.CDLL(None); c.unshare(0x10000000); c.setns(3, 0)",
}
# Code that ends, floods or destroys. What was answered before it counts.
HARMFUL = {
    "a crash": "import ctypes; ctypes.string_at(0)",
    "an exit": "import os; os._exit(0)",
    "a sleep that no alarm wakes": "import signal as s, time\ns.signal(s.SIGALRM, s.SIG_IGN)\ntime.sleep(1e6)",
    "100 MB of output": "import os\nprint('x' * 100_000_000)\nos.write(2, b'x' * 50_000_000)",
    "a fork bomb": "import os\nfor _ in range(10):\n    try: os.fork()\n    except OSError: pass",
    "rm -rf ~": "import os; os.system('rm -rf ~ /*')",
    "all memory": "huge = []\nwhile True: huge.append(bytearray(1 << 26))",
    "all disk": "import itertools\nfor n in itertools.count():\n    open(f'/tmp/{n}', 'wb').write(bytes(1 << 22))",
}
