"""The service as its users meet it: real server processes, a real Redis, real files, over HTTP."""
