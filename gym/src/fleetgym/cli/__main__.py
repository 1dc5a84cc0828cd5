"""`python -m fleetgym.cli`, for where no console script is on the path."""

from fleetgym.cli import main

main()
