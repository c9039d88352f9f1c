"""Everything that a site may change: settings, the database URL, routing rules, the viewer's configuration."""
