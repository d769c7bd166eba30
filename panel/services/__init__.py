"""The verbs of the product: plain functions on rows. They flush; whoever calls commits (where one has to commit itself, it says so)."""
