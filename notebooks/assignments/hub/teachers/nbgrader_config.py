"""What nbgrader of a teacher knows: all of the course's own settings, and where course and exchange are."""

import os

c = get_config()  # noqa: F821 (traitlets hands it in)
load_subconfig(os.path.join(os.environ["COURSE"], "nbgrader_config.py"))  # noqa: F821
c.CourseDirectory.root = os.environ["COURSE"]
c.Exchange.root = os.environ["EXCHANGE"]
