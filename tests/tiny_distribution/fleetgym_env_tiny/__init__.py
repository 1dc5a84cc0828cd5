"""The smallest environment there can be: find a number, hand it in."""
