"""Jobs: delivered by rq over Redis, run by a worker process; what is true about them is in the catalogue."""
