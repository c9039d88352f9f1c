"""Pages and JSON API for patients, sites, readers and coordinators."""
