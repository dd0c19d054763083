"""The course for nbgrader: run its commands in this folder. README.md here says how."""

c = get_config()  # noqa: F821 (traitlets hands it in)

c.CourseDirectory.course_id = "tcploop-lab"
c.ClearSolutions.code_stub = {"python": "# your code here"}

# What was handed in is read with care: no pipe, no metadata that takes hours to check.
c.Autograde.exporter_class = "tcploop_lab.exercises.autograde.Careful"
# Cells, names and points are those of release/, whatever a student's copy says of them.
c.Autograde.sanitize_preprocessors = [
    "tcploop_lab.exercises.autograde.Restored",
    "nbgrader.preprocessors.OverwriteKernelspec",
    "nbgrader.preprocessors.OverwriteCells",
    "nbgrader.preprocessors.CheckCellMetadata",
]
# What is handed in runs in a sandbox, and what it computed is judged outside, by judges/. Only the outcome is stored.
c.Autograde.autograde_preprocessors = [
    "tcploop_lab.exercises.autograde.Judged",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
# The live cells earn no points and would make the solution that is generated depend on this machine.
c.Execute.skip_cells_with_tag = "live"

# Other users of this machine may not listen to the kernels that run the answers.
c.KernelManager.transport_encryption = "auto"
