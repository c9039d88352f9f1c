"""DICOM over the network (DIMSE): receive, make durable, send."""
