-- Six rule models over a window of 30 days: a join, an aggregate that finds the ends of each journey, a second join for the credits.
-- Faster than numbering the touches, and right as long as no customer has two touches at one time; these logs have none.
COPY (
    WITH conversion AS (
        SELECT row_number() OVER () AS conversion, user_id, epoch_us(ordered_at) AS time,
               (ordered_at AT TIME ZONE 'UTC')::DATE AS conversion_date, revenue::DOUBLE AS revenue
        FROM '$conversions/*.parquet'
    ),
    touch AS (
        SELECT user_id, epoch_us(event_time) AS time, channel, campaign
        FROM '$touchpoints/*.parquet'
        WHERE user_id IN (SELECT user_id FROM conversion)
    ),
    pair AS MATERIALIZED (
        SELECT conversion, conversion_date, revenue, touch.time, channel, campaign,
               2 ** ((touch.time - conversion.time) / (7 * 86400e6)) AS decay
        FROM touch JOIN conversion USING (user_id)
        WHERE touch.time BETWEEN conversion.time - 30 * 86400_000_000 AND conversion.time
    ),
    journey AS (
        SELECT conversion, min(time) AS first, max(time) AS last, count(*) AS length, sum(decay) AS all_decay
        FROM pair GROUP BY conversion
    ),
    credit AS (
        SELECT conversion_date, channel, campaign, revenue,
               (time = last)::DOUBLE AS last_touch,
               (time = first)::DOUBLE AS first_touch,
               1 / length AS linear,
               decay / all_decay AS time_decay,
               CASE WHEN length <= 2 THEN 1 / length WHEN time IN (first, last) THEN 0.4 ELSE 0.2 / (length - 2) END::DOUBLE AS position_based,
               CASE WHEN length = 1 THEN 1 WHEN length = 2 THEN if(time = first, 0.25, 0.75)
                    WHEN time = first THEN 0.2 WHEN time = last THEN 0.6 ELSE 0.2 / (length - 2) END::DOUBLE AS j_shaped
        FROM pair JOIN journey USING (conversion)
    ),
    wide AS (
        SELECT conversion_date, channel, campaign,
               sum(last_touch) AS c1, sum(last_touch * revenue) AS r1,
               sum(first_touch) AS c2, sum(first_touch * revenue) AS r2,
               sum(linear) AS c3, sum(linear * revenue) AS r3,
               sum(time_decay) AS c4, sum(time_decay * revenue) AS r4,
               sum(position_based) AS c5, sum(position_based * revenue) AS r5,
               sum(j_shaped) AS c6, sum(j_shaped * revenue) AS r6
        FROM credit GROUP BY ALL
    )
    SELECT model, '30d' AS "window", conversion_date, channel, campaign, conversions, revenue
    FROM (UNPIVOT wide
        ON (c1, r1) AS last_touch, (c2, r2) AS first_touch, (c3, r3) AS linear,
           (c4, r4) AS time_decay, (c5, r5) AS position_based, (c6, r6) AS j_shaped
        INTO NAME model VALUE conversions, revenue)
    WHERE conversions > 0
) TO '$out/by_day.parquet';
