"""The study in real containers: three clinics and a server, looked at while they run."""
