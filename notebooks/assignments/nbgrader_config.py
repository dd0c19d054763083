"""The course for nbgrader: run its commands in this folder. README.md here says how."""

c = get_config()  # noqa: F821 (traitlets hands it in)

c.CourseDirectory.course_id = "tcploop-lab"
c.ClearSolutions.code_stub = {"python": "# your code here"}

# A cell that runs for longer is interrupted, and the grading goes on with the next one.
c.Execute.timeout = 60
c.Execute.interrupt_on_timeout = True
# The live cells earn no points and would make the grading depend on this machine.
c.Execute.skip_cells_with_tag = "live"
# Otherwise an answer that prints without end fills the disk.
c.LimitOutput.max_lines = 200

# Other users of this machine may not listen to the kernels that run the answers.
c.KernelManager.transport_encryption = "auto"

# Feedback shows the words of the hidden tests, not their code: an answer must not travel with it.
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.GetGrades",
    "nbgrader.preprocessors.ClearHiddenTests",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
