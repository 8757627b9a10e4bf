"""Generation: a recipe into a plan, the plan into shards, by the one loop, on any executor."""
