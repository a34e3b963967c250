\set id random(1, :users)
SELECT id, username, email, created_at FROM users WHERE id = :id;
SELECT id, user_id, title, text, price_amount, price_currency, status, created_at, updated_at FROM offers WHERE user_id = :id ORDER BY id LIMIT 1000;
