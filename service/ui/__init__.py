"""The page: one template, one style sheet and a few ES modules that call the HTTP interface like any other client."""
