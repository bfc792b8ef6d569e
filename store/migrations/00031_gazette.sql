-- Who asked for the monthly paper of an album.

-- +goose Up
CREATE TABLE gazette_reader (
    link  BIGINT PRIMARY KEY, -- whose, and of which album
    asked BIGINT NOT NULL,
    month BIGINT NOT NULL     -- the last that was made for them: 202611
);
CREATE INDEX gazette_reader_month ON gazette_reader (month);

-- +goose Down
DROP TABLE gazette_reader;
