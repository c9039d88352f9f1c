"""The archive: the adapter to Orthanc, the read cache, the managed server and its configuration."""
