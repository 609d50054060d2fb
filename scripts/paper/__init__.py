"""How good it is: data sets, the methods beside ours, and the tables that docs/ shows of them."""
