"""What run records show: comparisons, reward curves, trajectories, and a report that holds all."""
