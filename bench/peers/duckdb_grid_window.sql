-- Ten models, three windows, two values, three tables: one join for all windows, then window functions for each.
CREATE TEMP TABLE pair AS
    WITH conversion AS (
        SELECT row_number() OVER () AS conversion, user_id, epoch_us(ordered_at) AS time,
               (ordered_at AT TIME ZONE 'UTC')::DATE AS conversion_date, revenue::DOUBLE AS revenue, gross_margin::DOUBLE AS margin
        FROM '$conversions/*.parquet'
    ),
    touch AS (
        SELECT user_id, epoch_us(event_time) AS time, channel, campaign, interaction
        FROM '$touchpoints/*.parquet'
        WHERE user_id IN (SELECT user_id FROM conversion)
    )
    SELECT conversion, conversion_date, revenue, margin, channel, campaign, interaction,
           conversion.time - touch.time AS age, 2 ** (-age / (7 * 86400e6)) AS decay,
           coalesce(interaction = 'click', false) AS click, coalesce(channel <> 'direct', true) AS not_direct
    FROM touch JOIN conversion USING (user_id)
    WHERE touch.time BETWEEN conversion.time - 90 * 86400_000_000 AND conversion.time;

CREATE TEMP MACRO credit(days) AS TABLE
    WITH touch AS (
        SELECT conversion, conversion_date, revenue, margin, channel, campaign, decay, click, not_direct,
               row_number() OVER (PARTITION BY conversion
                   ORDER BY age DESC, interaction NULLS FIRST, channel NULLS FIRST, campaign NULLS FIRST) AS position
        FROM pair WHERE age <= days * 86400_000_000
    ),
    journey AS (
        SELECT *, count(*) OVER conversion AS length, sum(decay) OVER conversion AS all_decay,
               coalesce(min(position) FILTER (click) OVER conversion, 1) AS first_click_position,
               coalesce(max(position) FILTER (click) OVER conversion, length) AS last_click_position,
               coalesce(max(position) FILTER (not_direct) OVER conversion, length) AS last_not_direct_position
        FROM touch WINDOW conversion AS (PARTITION BY conversion)
    )
    SELECT conversion_date, channel, campaign, revenue, margin,
           (position = length)::DOUBLE AS last_touch,
           (position = 1)::DOUBLE AS first_touch,
           1 / length AS linear,
           decay / all_decay AS time_decay,
           CASE WHEN length <= 2 THEN 1 / length WHEN position IN (1, length) THEN 0.4 ELSE 0.2 / (length - 2) END::DOUBLE AS position_based,
           CASE WHEN length = 1 THEN 1 WHEN length = 2 THEN if(position = 1, 0.25, 0.75)
                WHEN position = 1 THEN 0.2 WHEN position = length THEN 0.6 ELSE 0.2 / (length - 2) END::DOUBLE AS j_shaped,
           (position = last_click_position)::DOUBLE AS last_click,
           (position = first_click_position)::DOUBLE AS first_click,
           (position = last_not_direct_position)::DOUBLE AS last_non_direct
    FROM journey;

CREATE TEMP MACRO additive(days) AS TABLE
    WITH wide AS (
        SELECT conversion_date, channel, campaign,
               sum(last_touch) AS c1, sum(last_touch * revenue) AS r1, sum(last_touch * margin) AS m1,
               sum(first_touch) AS c2, sum(first_touch * revenue) AS r2, sum(first_touch * margin) AS m2,
               sum(linear) AS c3, sum(linear * revenue) AS r3, sum(linear * margin) AS m3,
               sum(time_decay) AS c4, sum(time_decay * revenue) AS r4, sum(time_decay * margin) AS m4,
               sum(position_based) AS c5, sum(position_based * revenue) AS r5, sum(position_based * margin) AS m5,
               sum(j_shaped) AS c6, sum(j_shaped * revenue) AS r6, sum(j_shaped * margin) AS m6,
               sum(last_click) AS c7, sum(last_click * revenue) AS r7, sum(last_click * margin) AS m7,
               sum(first_click) AS c8, sum(first_click * revenue) AS r8, sum(first_click * margin) AS m8,
               sum(last_non_direct) AS c9, sum(last_non_direct * revenue) AS r9, sum(last_non_direct * margin) AS m9
        FROM credit(days) GROUP BY ALL
    )
    SELECT model, days || 'd' AS "window", conversion_date, channel, campaign, conversions, revenue, margin
    FROM (UNPIVOT wide
        ON (c1, r1, m1) AS last_touch, (c2, r2, m2) AS first_touch, (c3, r3, m3) AS linear,
           (c4, r4, m4) AS time_decay, (c5, r5, m5) AS position_based, (c6, r6, m6) AS j_shaped,
           (c7, r7, m7) AS last_click, (c8, r8, m8) AS first_click, (c9, r9, m9) AS last_non_direct
        INTO NAME model VALUE conversions, revenue, margin)
    WHERE conversions > 0;

-- any_touch: the whole conversion for each distinct (channel, campaign), channel and journey; a window holds it if its youngest touch lies within.
CREATE TEMP TABLE contact AS
    SELECT conversion, conversion_date, revenue, margin, channel, campaign, min(age) AS age
    FROM pair GROUP BY ALL;
CREATE TEMP TABLE days AS SELECT unnest([7, 30, 90]) AS days;

CREATE TEMP TABLE by_day AS
    FROM additive(7) UNION ALL FROM additive(30) UNION ALL FROM additive(90);

COPY (
    FROM by_day UNION ALL
    SELECT 'any_touch', days || 'd', conversion_date, channel, campaign, count(*), sum(revenue), sum(margin)
    FROM contact JOIN days ON age <= days * 86400_000_000 GROUP BY days, conversion_date, channel, campaign
) TO '$out/by_day.parquet';

COPY (
    SELECT model, "window", channel, sum(conversions) AS conversions, sum(revenue) AS revenue, sum(margin) AS margin
    FROM by_day GROUP BY ALL UNION ALL
    SELECT 'any_touch', days || 'd', channel, count(*), sum(revenue), sum(margin)
    FROM (SELECT conversion, revenue, margin, channel, min(age) AS age FROM contact GROUP BY ALL)
    JOIN days ON age <= days * 86400_000_000 GROUP BY days, channel
) TO '$out/by_channel.parquet';

COPY (
    SELECT model, "window", sum(conversions) AS conversions, sum(revenue) AS revenue, sum(margin) AS margin
    FROM by_day GROUP BY ALL UNION ALL
    SELECT 'any_touch', days || 'd', count(*), sum(revenue), sum(margin)
    FROM (SELECT conversion, revenue, margin, min(age) AS age FROM contact GROUP BY ALL)
    JOIN days ON age <= days * 86400_000_000 GROUP BY days
) TO '$out/total.parquet';
