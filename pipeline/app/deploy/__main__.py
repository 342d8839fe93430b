"""Where MONAI Deploy starts the application, as a module or, in a package of its own, as a folder."""

import sys

from pipeline.app.deploy.application import CineApplication

if __name__ == "__main__":
    application = CineApplication()
    application.run()
    sys.exit(application.report_failures())
