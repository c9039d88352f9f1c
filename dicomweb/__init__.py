"""DICOMweb (PS3.18) in front of the archive."""
