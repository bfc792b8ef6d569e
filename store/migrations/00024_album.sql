-- Albums grow up: a photo has as many forms as are useful, what was said about
-- it, and somebody who added it; an album can end and come back.

-- +goose Up
ALTER TABLE album ADD COLUMN expires BIGINT NOT NULL DEFAULT 0; -- 0: never

CREATE TABLE photo_form (
    photo      BIGINT NOT NULL,
    form       TEXT NOT NULL, -- 400.jpg, 2048.webp, clean, source, film: workflow/album/form.go
    media_type TEXT NOT NULL,
    size       BIGINT NOT NULL,
    blob       BIGINT NOT NULL,
    PRIMARY KEY (photo, form)
);
CREATE INDEX photo_form_blob ON photo_form (blob);
INSERT INTO photo_form (photo, form, media_type, size, blob)
    SELECT p.id, 'clean', p.media_type, b.size, b.id FROM photo p JOIN blob b ON b.id = p.original;
INSERT INTO photo_form (photo, form, media_type, size, blob)
    SELECT p.id, '2048.jpg', 'image/jpeg', b.size, b.id FROM photo p JOIN blob b ON b.id = p.large;
INSERT INTO photo_form (photo, form, media_type, size, blob)
    SELECT p.id, '400.jpg', 'image/jpeg', b.size, b.id FROM photo p JOIN blob b ON b.id = p.thumb;
DROP INDEX photo_original;
DROP INDEX photo_large;
DROP INDEX photo_thumb;
ALTER TABLE photo DROP COLUMN original;
ALTER TABLE photo DROP COLUMN large;
ALTER TABLE photo DROP COLUMN thumb;
ALTER TABLE photo ADD COLUMN caption TEXT NOT NULL DEFAULT '';
ALTER TABLE photo ADD COLUMN hash BYTEA;                         -- thumbhash
ALTER TABLE photo ADD COLUMN sha256 TEXT NOT NULL DEFAULT '';    -- hex, of the source
ALTER TABLE photo ADD COLUMN place BIGINT NOT NULL DEFAULT 0;    -- 1: the source says where it was
ALTER TABLE photo ADD COLUMN film BIGINT NOT NULL DEFAULT 0;     -- of a film: how long, in milliseconds
ALTER TABLE photo ADD COLUMN by_link BIGINT NOT NULL DEFAULT 0;  -- whose link it came by, 0 the owner
ALTER TABLE photo ADD COLUMN by_name TEXT NOT NULL DEFAULT '';   -- how others read that; '' is the owner
ALTER TABLE photo ADD COLUMN hidden BIGINT NOT NULL DEFAULT 0;   -- when it was taken off, 0 while it is shown
ALTER TABLE photo ADD COLUMN finished BIGINT NOT NULL DEFAULT 0; -- 1: all its forms are made
CREATE INDEX photo_hidden ON photo (hidden) WHERE hidden > 0;

ALTER TABLE album_mail ADD COLUMN link BIGINT NOT NULL DEFAULT 0;  -- whose link it came by, 0 the owner
ALTER TABLE album_mail ADD COLUMN notice TEXT NOT NULL DEFAULT ''; -- what was answered: a reply to that is about this mail

CREATE TABLE photo_comment (
    id      BIGINT PRIMARY KEY,
    album   BIGINT NOT NULL,
    photo   BIGINT NOT NULL, -- 0: about the album
    link    BIGINT NOT NULL, -- whose
    key     TEXT NOT NULL,   -- of the mail, or of the form that was sent: the same twice is one
    name    TEXT NOT NULL,
    text    TEXT NOT NULL,
    created BIGINT NOT NULL
);
CREATE UNIQUE INDEX photo_comment_key ON photo_comment (album, key);

-- +goose Down
DROP TABLE photo_comment;
ALTER TABLE album_mail DROP COLUMN notice;
ALTER TABLE album_mail DROP COLUMN link;
DROP INDEX photo_hidden;
ALTER TABLE photo DROP COLUMN finished;
ALTER TABLE photo DROP COLUMN hidden;
ALTER TABLE photo DROP COLUMN by_name;
ALTER TABLE photo DROP COLUMN by_link;
ALTER TABLE photo DROP COLUMN film;
ALTER TABLE photo DROP COLUMN place;
ALTER TABLE photo DROP COLUMN sha256;
ALTER TABLE photo DROP COLUMN hash;
ALTER TABLE photo DROP COLUMN caption;
ALTER TABLE photo ADD COLUMN original BIGINT NOT NULL DEFAULT 0;
ALTER TABLE photo ADD COLUMN large BIGINT NOT NULL DEFAULT 0;
ALTER TABLE photo ADD COLUMN thumb BIGINT NOT NULL DEFAULT 0;
UPDATE photo SET original = coalesce((SELECT f.blob FROM photo_form f WHERE f.photo = photo.id AND f.form = 'clean'), 0),
    large = coalesce((SELECT f.blob FROM photo_form f WHERE f.photo = photo.id AND f.form = '2048.jpg'), 0),
    thumb = coalesce((SELECT f.blob FROM photo_form f WHERE f.photo = photo.id AND f.form = '400.jpg'), 0);
CREATE INDEX photo_original ON photo (original);
CREATE INDEX photo_large ON photo (large);
CREATE INDEX photo_thumb ON photo (thumb);
DROP TABLE photo_form;
ALTER TABLE album DROP COLUMN expires;
