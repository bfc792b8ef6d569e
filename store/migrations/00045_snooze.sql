-- Mails that members put aside until an hour: workflow/snooze.

-- +goose Up
CREATE TABLE snooze (
    email   BIGINT PRIMARY KEY,
    account BIGINT NOT NULL,
    member  BIGINT NOT NULL,
    asleep  BIGINT NOT NULL, -- mailbox where it waits
    back    BIGINT NOT NULL, -- mailbox that it comes back to
    until   BIGINT NOT NULL
);
CREATE INDEX snooze_account ON snooze (account);

-- +goose Down
DROP TABLE snooze;
