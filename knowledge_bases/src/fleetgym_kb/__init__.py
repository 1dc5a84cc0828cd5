"""Knowledge bases for fleetgym: threat reports, ATT&CK, a Sigma reference collection."""
