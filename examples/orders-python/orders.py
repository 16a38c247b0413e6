"""Loads the orders of a shop into PostgreSQL and reports what each customer ordered.

It is an ordinary program: it knows nothing of Keyhold, and reads two variables of its environment. Python's
standard library has no driver for PostgreSQL, so it talks to psql.
"""

import csv
import hashlib
import hmac
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

SCRIPT = r"""
begin;
create table if not exists orders (
  id text primary key,
  customer text not null,
  item text not null,
  quantity integer not null,
  price numeric(10, 2) not null,
  ordered_on date not null
);
create temporary table incoming (like orders) on commit drop;
copy incoming from stdin;
{rows}\.
-- An order that is there already stays as it is, so that running this twice is harmless.
with added as (insert into orders select * from incoming on conflict (id) do nothing returning id)
select count(*) from added;
select customer, count(*), sum(quantity * price) as total from orders group by customer order by total desc;
commit;
"""


def psql_environment(url):
    """The connection in variables: as an argument of psql, every user of the machine could read it."""
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    connection = {
        "PGHOST": parts.hostname,
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": unquote(parts.path[1:]),
        "PGSSLMODE": options.get("sslmode"),
        # "table exists already" is no news.
        "PGOPTIONS": "-c client_min_messages=warning",
        "PGCLIENTENCODING": "UTF8",
    }
    return {**os.environ, **{name: value for name, value in connection.items() if value}}


def copy_row(values):
    """A line for COPY, in its text format."""
    escapes = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
    return "\t".join(value.translate(escapes) for value in values) + "\n"


def main():
    database_url = os.environ.get("DATABASE_URL")
    token = os.environ.get("SHOP_API_TOKEN")
    if not database_url or not token:
        sys.exit("orders: DATABASE_URL and SHOP_API_TOKEN must be set")

    # The mistake that this example is about: somebody was looking for a bug, and the line stayed.
    print(f"debug: SHOP_API_TOKEN={token}", flush=True)

    with open(Path(__file__).parent / "orders.csv", encoding="utf-8", newline="") as file:
        _header, *orders = csv.reader(file)
    try:
        answer = subprocess.run(
            ["psql", "--no-psqlrc", "--no-password", "--quiet", "--csv", "--tuples-only", "--set=ON_ERROR_STOP=1"],
            input=SCRIPT.format(rows="".join(map(copy_row, orders))),
            env=psql_environment(database_url),
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
    except FileNotFoundError:
        sys.exit("orders: psql is missing; on Debian and Ubuntu: sudo apt-get install postgresql-client")
    if answer.returncode != 0:
        sys.exit(f"orders: psql ended with {answer.returncode}")

    (added,), *customers = csv.reader(answer.stdout.splitlines())
    print(f"{len(orders)} orders read, {added} of them new")
    report = "".join(f"{customer:<20}{count:>4}{total:>12}\n" for customer, count, total in customers)
    print(report, end="")

    # What the shop's API would want beside the report. Nothing is sent anywhere.
    print(f"signature: {hmac.new(token.encode(), report.encode(), hashlib.sha256).hexdigest()}")


main()
