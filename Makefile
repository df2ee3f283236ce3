# spotify_etl: own your Spotify data in PostgreSQL
#
# "make help" lists the targets.

EXTENSION   = spotify_etl
EXTVERSION  = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(EXTENSION).control)
MODULE_big  = spotify_etl

# ---------------------------------------------------------------- the parts

# plain C: no postgres.h, linked into the unit tests too
PLAIN_OBJS = \
	src/http/byte_buffer.o \
	src/http/secret.o \
	src/http/transport_curl.o \
	src/spotify/arena.o \
	src/spotify/decode.o \
	src/spotify/decode_error.o \
	src/spotify/decode_items.o \
	src/spotify/decode_plays.o \
	src/spotify/decode_profile.o \
	src/spotify/decode_token.o \
	src/spotify/decode_track.o \
	src/spotify/endpoint.o \
	src/spotify/fields.o \
	src/spotify/json.o \
	src/spotify/json_tokens.o \
	src/spotify/model.o \
	src/spotify/redirect.o \
	src/spotify/refusal.o \
	src/spotify/retry.o \
	src/spotify/text.o \
	src/spotify/timestamp.o \
	src/sync/delta_plan.o \
	src/sync/list_ranks.o \
	src/sync/play_matching.o \
	src/sync/plays_plan.o \
	src/sync/saved_plan.o \
	src/sync/scan.o

OBJS = \
	src/spotify_etl.o \
	src/settings.o \
	src/api/account_functions.o \
	src/api/arguments.o \
	src/api/set_account.o \
	src/api/sync_all.o \
	src/api/sync_functions.o \
	src/sync/authorization.o \
	src/sync/authorization_worker.o \
	src/sync/checks.o \
	src/sync/collection.o \
	src/sync/durable.o \
	src/sync/durable_call.o \
	src/sync/durable_worker.o \
	src/sync/list_reader.o \
	src/sync/lock.o \
	src/sync/login.o \
	src/sync/plays.o \
	src/sync/progress.o \
	src/sync/proof.o \
	src/sync/record_message.o \
	src/sync/recorded.o \
	src/sync/recording.o \
	src/sync/run.o \
	src/sync/saved.o \
	src/sync/saved_checks.o \
	src/sync/spool.o \
	src/sync/stored_list.o \
	src/sync/surroundings.o \
	src/sync/steps.o \
	src/sync/sync_all.o \
	src/sync/token_keeper.o \
	src/sync/transaction.o \
	src/sync/user.o \
	src/spotify/cleanup.o \
	src/spotify/client.o \
	src/spotify/exchange.o \
	src/spotify/failure.o \
	src/spotify/pkce.o \
	src/spotify/token.o \
	src/store/accounts.o \
	src/store/catalog.o \
	src/store/columns.o \
	src/store/credentials.o \
	src/store/liked.o \
	src/store/plays.o \
	src/store/quality_checks.o \
	src/store/run_log.o \
	src/store/saved_list.o \
	src/store/scan_progress.o \
	src/store/spi.o \
	src/store/tables.o \
	$(PLAIN_OBJS)

# ---------------------------------------- SQL, its documentation and its tests

DATA         = sql/spotify_etl--1.0.sql
DOCS         = doc/spotify_etl.md
REGRESS      = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
# Whatever the encoding of the cluster is, the test database is UTF8.
REGRESS_OPTS = --inputdir=test --encoding=UTF8 --no-locale
TAP_TESTS    = 1
PROVE_TESTS  = test/t/*.pl

# -------------------------------------------------------------------- flags

PG_CPPFLAGS = -I$(srcdir)/src -DSPOTIFY_ETL_VERSION='"$(EXTVERSION)"'
PG_CFLAGS   = -Wall -Wextra -Wno-unused-parameter
SHLIB_LINK  = -lcurl -ljson-c

EXTRA_CLEAN = test/unit/build $(INSTALLED) tmp_check output_iso log results \
	regression.diffs regression.out

# --------------------------------------------------------------------- PGXS

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(MAKECMDGOALS),check)
# Without PGXS, whose target check only says that it cannot be made.
check: ## runs every test, in an installation of its own
	bash test/all.sh
else
include $(PGXS)
endif

# What "make installcheck" needs beside that.  PROVE_FLAGS stands here because
# PGXS empties it.  The TAP tests start clusters of their own; what tells the
# running one where the extension is installed must tell those, too.
PROVE_FLAGS += -I $(CURDIR)/test/t/lib
INSTALLED = test/t/installed.conf
installcheck: export PG_CONFIG := $(PG_CONFIG)
installcheck: export TEMP_CONFIG := $(CURDIR)/$(INSTALLED)
installcheck: $(INSTALLED)

.PHONY: $(INSTALLED)
$(INSTALLED):
	$(bindir)/psql -X -A -t -d postgres -o $@ -c "\
	SELECT name || ' = ' || quote_literal(setting) \
	  FROM pg_settings \
	 WHERE name IN ('extension_destdir', 'extension_control_path', 'dynamic_library_path')"

# PGXS removes documents from their folder in the source, where it installs none.
.PHONY: uninstall-docs
uninstall: uninstall-docs
uninstall-docs:
	rm -f $(addprefix '$(DESTDIR)$(docdir)/$(docmoduledir)'/,$(notdir $(DOCS)))

# PGXS does not track headers: objects and bitcode depend on all of them.
HEADERS = $(wildcard src/*.h src/*/*.h)
$(OBJS) $(OBJS:.o=.bc): $(HEADERS)

# -------------------------------------------------------------- our targets

UNIT_BUILD   = test/unit/build
UNIT_TESTS   = $(patsubst test/unit/%.c,$(UNIT_BUILD)/%,$(wildcard test/unit/test_*.c))
UNIT_HEADERS = $(wildcard test/unit/*.h)
UNIT_SOURCES = $(filter-out test/unit/test_%,$(wildcard test/unit/*.c)) $(PLAIN_OBJS:.o=.c)
UNIT_OBJS    = $(UNIT_SOURCES:%.c=$(UNIT_BUILD)/%.o)
UNIT_CFLAGS  = -D_GNU_SOURCE -g -O1 -Wall -Wextra -Isrc -Itest/unit \
	-fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer

# Objects of their own, which the sanitizers are built into.
$(UNIT_BUILD)/%.o: %.c $(HEADERS) $(UNIT_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) -c -o $@ $<

$(UNIT_TESTS): $(UNIT_BUILD)/%: $(UNIT_BUILD)/test/unit/%.o $(UNIT_OBJS)
	$(CC) $(UNIT_CFLAGS) -o $@ $^ -lcurl -ljson-c

.SECONDARY: $(UNIT_OBJS) $(UNIT_TESTS:$(UNIT_BUILD)/%=$(UNIT_BUILD)/test/unit/%.o)

.PHONY: help check demo playground unit unitcheck mockcheck lint format bench

help: ## lists these targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort -u | expand -t 14
	@echo 'and those of PGXS: all, install, uninstall, installcheck, clean'

demo: ## shows the main job with a stand-in for Spotify
	bash test/demo.sh

playground: ## opens psql beside a stand-in for Spotify, until you leave it
	@bash test/playground.sh

unit: $(UNIT_TESTS) ## builds the unit tests

unitcheck: unit ## runs the unit tests of the plain C parts, under ASan and UBSan
	prove --exec '' $(UNIT_TESTS)

mockcheck: ## tests the stand-in for Spotify
	python3 -B -m unittest discover test/mock_spotify

lint: ## checks layers, names, headers, format and common mistakes
	bash test/lint.sh

format: ## formats the C code
	clang-format -i src/*.[ch] src/*/*.[ch] test/unit/*.[ch] test/fuzz/*.c

bench: ## measures against other ways to do the same work
	bash test/bench/run.sh
	bash test/bench/views.sh
