-- Mail that was copied from other hosts, so that no run copies one a second
-- time: written by package delivery only.

-- +goose Up
-- One folder of one mailbox elsewhere, as long as its UIDs mean the same mails.
CREATE TABLE import_folder (
    id       BIGINT PRIMARY KEY,
    account  BIGINT NOT NULL,
    source   TEXT NOT NULL,   -- whose mailbox on which host
    name     TEXT NOT NULL,   -- the folder's name there
    validity BIGINT NOT NULL, -- its UIDVALIDITY there
    mailbox  BIGINT NOT NULL  -- where its mail goes
);
CREATE UNIQUE INDEX import_folder_name ON import_folder (account, source, name, validity);
CREATE INDEX import_folder_mailbox ON import_folder (mailbox);
CREATE TABLE import_mail (
    folder BIGINT NOT NULL,
    uid    BIGINT NOT NULL, -- there
    digest BYTEA NOT NULL,  -- of its bytes; empty when the mail has no Message-ID
    PRIMARY KEY (folder, uid)
);
-- Knows a mail again when the other host has numbered its folder anew.
CREATE INDEX import_mail_digest ON import_mail (digest, folder);

-- +goose Down
DROP TABLE import_mail;
DROP TABLE import_folder;
