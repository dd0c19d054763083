"""What people look at: a description of a result as HTML and as text, figures and widgets."""
