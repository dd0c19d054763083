"""The static web version of the course: make site. Notebooks are shown as they are stored; nothing is executed."""

project = "tcploop-lab"
author = "the tcploop-lab authors"
project_copyright = "code: MIT licence, texts: CC BY 4.0"
extensions = ["myst_nb"]
nb_execution_mode = "off"
nb_ipywidgets_js = {}  # a static page has no kernel, and nothing is loaded from elsewhere
nb_merge_streams = True
myst_heading_anchors = 3
html_theme = "sphinx_book_theme"
html_title = "TCP self-connection: a course"
html_copy_source = False
html_show_sourcelink = False
html_sidebars = {"**": ["search-button-field.html", "sbt-sidebar-nav.html"]}  # the list begins with the title
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_context = {"default_mode": "auto"}  # else the theme complains of none in the console
html_theme_options = {
    "navbar_persistent": [],  # the sidebar has the search already
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
    "home_page_in_toc": True,
}
exclude_patterns = ["_build"]
