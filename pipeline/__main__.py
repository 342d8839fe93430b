"""`python -m pipeline` is `cmr`."""

from pipeline.app.cli import main

if __name__ == "__main__":
    main()
