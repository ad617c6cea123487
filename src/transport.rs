//! Images as files: OCI layouts, docker archives, directories, tars.
