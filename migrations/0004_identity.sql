CREATE TABLE "counters" (
	"counter_id" uuid PRIMARY KEY DEFAULT gatepost_uuid_v7() NOT NULL,
	"kind_cd" text NOT NULL,
	"subject_hash_txt" text NOT NULL,
	"window_started_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"used_cnt" integer DEFAULT 0 NOT NULL,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "counters_subject_uq" UNIQUE("kind_cd","subject_hash_txt")
);
--> statement-breakpoint
CREATE TABLE "login_attempts" (
	"login_attempt_id" uuid PRIMARY KEY DEFAULT gatepost_uuid_v7() NOT NULL,
	"identifier_hash_txt" text,
	"user_id" uuid,
	"session_id" uuid,
	"failed_cnt" integer DEFAULT 0 NOT NULL,
	"locked_until_utc" timestamp with time zone,
	"created_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at_utc" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "login_attempts_identifier_hash_txt_unique" UNIQUE("identifier_hash_txt"),
	CONSTRAINT "login_attempts_user_id_unique" UNIQUE("user_id"),
	CONSTRAINT "login_attempts_session_id_unique" UNIQUE("session_id"),
	CONSTRAINT "login_attempts_subject_ck" CHECK (num_nonnulls("login_attempts"."identifier_hash_txt", "login_attempts"."user_id", "login_attempts"."session_id") = 1)
);
--> statement-breakpoint
ALTER TABLE "letters" ADD COLUMN "sent_at_utc" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "letters" ADD COLUMN "last_error_cd" text;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "avatar_id" uuid;--> statement-breakpoint
ALTER TABLE "login_attempts" ADD CONSTRAINT "login_attempts_user_id_users_user_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("user_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "login_attempts" ADD CONSTRAINT "login_attempts_session_id_sessions_session_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("session_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "counters_window_ix" ON "counters" USING btree ("window_started_at_utc");--> statement-breakpoint
CREATE INDEX "login_attempts_modified_ix" ON "login_attempts" USING btree ("modified_at_utc");--> statement-breakpoint
CREATE INDEX "one_time_codes_subject_ix" ON "one_time_codes" USING btree ("purpose_cd","subject_hash_txt","one_time_code_id") WHERE "one_time_codes"."subject_hash_txt" IS NOT NULL AND "one_time_codes"."consumed_at_utc" IS NULL;--> statement-breakpoint
CREATE INDEX "one_time_codes_user_ix" ON "one_time_codes" USING btree ("user_id","purpose_cd") WHERE "one_time_codes"."user_id" IS NOT NULL;--> statement-breakpoint
-- Whatever stood there before: due, sent, void and failed are all there is.
ALTER TABLE "letters" ADD CONSTRAINT "letters_status_ck" CHECK ("letters"."status_cd" IN ('due', 'sent', 'void', 'failed'));