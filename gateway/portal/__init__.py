"""The pages for readers, patients, sites and coordinators; `rights` says who may ask, `words` how things are said."""
