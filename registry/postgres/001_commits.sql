-- What became of transactions whose connection broke during the commit.
CREATE TABLE clrnode.commits (
	id        text COLLATE "C" PRIMARY KEY,
	committed boolean NOT NULL,
	at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX commits_at ON clrnode.commits (at);
