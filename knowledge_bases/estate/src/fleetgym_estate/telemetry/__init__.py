"""How each family of tables gets its rows."""
