"""The HTTP door: REST, SSE and OpenAPI, all read from the contracts' descriptors."""
