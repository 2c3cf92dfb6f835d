"""What a user may choose: every word with its kind, unit and range (`table`), and who checks it (`run`, `config`)."""
