// Loads the orders of a shop into PostgreSQL and reports what each customer ordered. It is an ordinary program: it knows
// nothing of Keyhold, and reads two variables of its environment.
import { createHmac } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'

const { DATABASE_URL: databaseUrl, SHOP_API_TOKEN: token } = process.env
if (!databaseUrl || !token) {
  console.error('orders: DATABASE_URL and SHOP_API_TOKEN must be set')
  process.exit(2)
}

// The mistake that this example is about: somebody was looking for a bug, and the line stayed.
console.log(`debug: SHOP_API_TOKEN=${token}`)

const text = await readFile(join(import.meta.dirname, 'orders.jsonl'), 'utf8')
const orders = text
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line))

const database = new pg.Client({ connectionString: databaseUrl })
await database.connect()
try {
  await database.query(`
    create table if not exists orders (
      id text primary key,
      customer text not null,
      item text not null,
      quantity integer not null,
      price numeric(10, 2) not null,
      ordered_on date not null
    )`)
  // An order that is there already stays as it is, so that running this twice is harmless.
  const { rowCount: added } = await database.query(
    `insert into orders (id, customer, item, quantity, price, ordered_on)
     select id, customer, item, quantity, price, "orderedOn"
     from jsonb_to_recordset($1) as incoming
       (id text, customer text, item text, quantity integer, price numeric, "orderedOn" date)
     on conflict (id) do nothing`,
    [JSON.stringify(orders)],
  )
  console.log(`${orders.length} orders read, ${added} of them new`)

  const { rows } = await database.query(
    `select customer, count(*) as orders, sum(quantity * price) as total
     from orders group by customer order by total desc`,
  )
  const report = rows
    .map((row) => `${row.customer.padEnd(20)}${row.orders.padStart(4)}${row.total.padStart(12)}\n`)
    .join('')
  process.stdout.write(report)

  // What the shop's API would want beside the report. Nothing is sent anywhere.
  console.log(`signature: ${createHmac('sha256', token).update(report).digest('hex')}`)
} finally {
  await database.end()
}
