"""A stand-in for Spotify's Web API and accounts service; see README.md."""
