"""Other Python ORMs on the same rows: each gives the same eight operations, written as its documentation shows them."""
