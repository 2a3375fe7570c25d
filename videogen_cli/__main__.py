"""`python -m videogen_cli`."""

from videogen_cli.main import main

raise SystemExit(main())
