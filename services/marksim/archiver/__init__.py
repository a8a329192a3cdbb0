"""The archiver: reads order books without loss and keeps all they did as Parquet."""
