"""A JupyterHub for this course, on one machine where everybody has an account. README.md, "On JupyterHub", says how.

Beside this folder lie `course`, which its teacher alone can read, and `exchange`, which everybody may write to.
"""

import os
from pathlib import Path

c = get_config()  # noqa: F821 (traitlets hands it in)
HERE = Path(__file__).resolve().parent
TEACHERS = set(os.environ.get("TEACHERS", "teacher").split())

c.JupyterHub.bind_url = "http://127.0.0.1:8000"  # in front of it: something that speaks TLS
c.Authenticator.allow_all = True  # whoever has an account on this machine, and its password
c.Spawner.default_url = "/lab"
c.Spawner.environment = {"EXCHANGE": str(HERE.parent / "exchange"), "COURSE": str(HERE.parent / "course")}
c.Spawner.mem_limit = "2G"  # kept by spawners of containers; the default one does not
# Formgrader opens in a frame. JupyterHub 4.1 and later forbid all frames; 'self' allows those of this hub's own pages.
c.Spawner.args = ["--ServerApp.tornado_settings={'headers': {'Content-Security-Policy': \"frame-ancestors 'self'\"}}"]


def settings_of_this_user(spawner):
    """Menus, server extensions and nbgrader's settings: a teacher has others than students."""
    kind = "teachers" if spawner.user.name in TEACHERS else "students"
    if kind == "teachers":  # formgrader works on courses below the folder that is open
        spawner.notebook_dir = str(HERE.parent / "course")
    spawner.environment = {**spawner.environment, "JUPYTER_CONFIG_PATH": str(HERE / kind)}


c.Spawner.pre_spawn_hook = settings_of_this_user
