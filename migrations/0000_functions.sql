-- A time-ordered UUID (RFC 9562, version 7) for rows that a statement makes beside its main work.
-- PostgreSQL has one of its own only since 18; this runs on 14 and later.
CREATE FUNCTION gatepost_uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
  -- A random (version 4) UUID, its first 48 bits replaced by milliseconds since 1970, its version raised from 4 to 7.
  SELECT encode(
    set_bit(set_bit(overlay(
      uuid_send(gen_random_uuid())
      PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
      FROM 1 FOR 6
    ), 52, 1), 53, 1), 'hex')::uuid
$$;
