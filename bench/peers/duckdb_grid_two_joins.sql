-- Ten models, three windows, two values, three tables: a join, an aggregate that finds the ends of each journey in every window,
-- and a second join with all credits side by side.
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
    SELECT conversion, conversion_date, revenue, margin, channel, campaign,
           conversion.time - touch.time AS age, 2 ** (-age / (7 * 86400e6)) AS decay,
           coalesce(interaction = 'click', false) AS click, coalesce(channel <> 'direct', true) AS not_direct,
           age <= 7 * 86400_000_000 AS in_7d, age <= 30 * 86400_000_000 AS in_30d, true AS in_90d
    FROM touch JOIN conversion USING (user_id)
    WHERE touch.time BETWEEN conversion.time - 90 * 86400_000_000 AND conversion.time;

CREATE TEMP MACRO position_based(is_first, is_last, length) AS
    CASE WHEN length <= 2 THEN 1 / length WHEN is_first OR is_last THEN 0.4 ELSE 0.2 / (length - 2) END::DOUBLE;
CREATE TEMP MACRO j_shaped(is_first, is_last, length) AS
    CASE WHEN length = 1 THEN 1 WHEN length = 2 THEN if(is_first, 0.25, 0.75)
         WHEN is_first THEN 0.2 WHEN is_last THEN 0.6 ELSE 0.2 / (length - 2) END::DOUBLE;

-- The youngest touch is the last of every window that holds any.
CREATE TEMP TABLE by_day AS
    WITH journey AS (
        SELECT conversion, min(age) AS last,
               count(*) FILTER (in_7d) AS length_7d, sum(decay) FILTER (in_7d) AS all_decay_7d, max(age) FILTER (in_7d) AS first_7d,
               coalesce(max(age) FILTER (click AND in_7d), first_7d) AS first_click_7d,
               coalesce(min(age) FILTER (click AND in_7d), last) AS last_click_7d,
               coalesce(min(age) FILTER (not_direct AND in_7d), last) AS last_not_direct_7d,
               count(*) FILTER (in_30d) AS length_30d, sum(decay) FILTER (in_30d) AS all_decay_30d, max(age) FILTER (in_30d) AS first_30d,
               coalesce(max(age) FILTER (click AND in_30d), first_30d) AS first_click_30d,
               coalesce(min(age) FILTER (click AND in_30d), last) AS last_click_30d,
               coalesce(min(age) FILTER (not_direct AND in_30d), last) AS last_not_direct_30d,
               count(*) FILTER (in_90d) AS length_90d, sum(decay) FILTER (in_90d) AS all_decay_90d, max(age) FILTER (in_90d) AS first_90d,
               coalesce(max(age) FILTER (click AND in_90d), first_90d) AS first_click_90d,
               coalesce(min(age) FILTER (click AND in_90d), last) AS last_click_90d,
               coalesce(min(age) FILTER (not_direct AND in_90d), last) AS last_not_direct_90d
        FROM pair GROUP BY conversion
    ),
    credit AS (
        SELECT conversion_date, channel, campaign, revenue, margin,
               (in_7d AND age = last)::DOUBLE AS last_touch_7d,
               (in_7d AND age = first_7d)::DOUBLE AS first_touch_7d,
               if(in_7d, 1 / length_7d, 0) AS linear_7d,
               if(in_7d, decay / all_decay_7d, 0) AS time_decay_7d,
               if(in_7d, position_based(age = first_7d, age = last, length_7d), 0) AS position_based_7d,
               if(in_7d, j_shaped(age = first_7d, age = last, length_7d), 0) AS j_shaped_7d,
               (in_7d AND age = journey.last_click_7d)::DOUBLE AS last_click_7d,
               (in_7d AND age = journey.first_click_7d)::DOUBLE AS first_click_7d,
               (in_7d AND age = last_not_direct_7d)::DOUBLE AS last_non_direct_7d,
               (in_30d AND age = last)::DOUBLE AS last_touch_30d,
               (in_30d AND age = first_30d)::DOUBLE AS first_touch_30d,
               if(in_30d, 1 / length_30d, 0) AS linear_30d,
               if(in_30d, decay / all_decay_30d, 0) AS time_decay_30d,
               if(in_30d, position_based(age = first_30d, age = last, length_30d), 0) AS position_based_30d,
               if(in_30d, j_shaped(age = first_30d, age = last, length_30d), 0) AS j_shaped_30d,
               (in_30d AND age = journey.last_click_30d)::DOUBLE AS last_click_30d,
               (in_30d AND age = journey.first_click_30d)::DOUBLE AS first_click_30d,
               (in_30d AND age = last_not_direct_30d)::DOUBLE AS last_non_direct_30d,
               (in_90d AND age = last)::DOUBLE AS last_touch_90d,
               (in_90d AND age = first_90d)::DOUBLE AS first_touch_90d,
               if(in_90d, 1 / length_90d, 0) AS linear_90d,
               if(in_90d, decay / all_decay_90d, 0) AS time_decay_90d,
               if(in_90d, position_based(age = first_90d, age = last, length_90d), 0) AS position_based_90d,
               if(in_90d, j_shaped(age = first_90d, age = last, length_90d), 0) AS j_shaped_90d,
               (in_90d AND age = journey.last_click_90d)::DOUBLE AS last_click_90d,
               (in_90d AND age = journey.first_click_90d)::DOUBLE AS first_click_90d,
               (in_90d AND age = last_not_direct_90d)::DOUBLE AS last_non_direct_90d
        FROM pair JOIN journey USING (conversion)
    ),
    wide AS (
        SELECT conversion_date, channel, campaign,
               sum(COLUMNS('(.*_[0-9]+d)')) AS 'conversions_\1',
               sum(COLUMNS('(.*_[0-9]+d)') * revenue) AS 'revenue_\1',
               sum(COLUMNS('(.*_[0-9]+d)') * margin) AS 'margin_\1'
        FROM credit GROUP BY ALL
    )
    SELECT split_part(name, ' ', 1) AS model, split_part(name, ' ', 2) AS "window", conversion_date, channel, campaign, conversions, revenue, margin
    FROM (UNPIVOT wide
        ON (conversions_last_touch_7d, revenue_last_touch_7d, margin_last_touch_7d) AS "last_touch 7d",
           (conversions_first_touch_7d, revenue_first_touch_7d, margin_first_touch_7d) AS "first_touch 7d",
           (conversions_linear_7d, revenue_linear_7d, margin_linear_7d) AS "linear 7d",
           (conversions_time_decay_7d, revenue_time_decay_7d, margin_time_decay_7d) AS "time_decay 7d",
           (conversions_position_based_7d, revenue_position_based_7d, margin_position_based_7d) AS "position_based 7d",
           (conversions_j_shaped_7d, revenue_j_shaped_7d, margin_j_shaped_7d) AS "j_shaped 7d",
           (conversions_last_click_7d, revenue_last_click_7d, margin_last_click_7d) AS "last_click 7d",
           (conversions_first_click_7d, revenue_first_click_7d, margin_first_click_7d) AS "first_click 7d",
           (conversions_last_non_direct_7d, revenue_last_non_direct_7d, margin_last_non_direct_7d) AS "last_non_direct 7d",
           (conversions_last_touch_30d, revenue_last_touch_30d, margin_last_touch_30d) AS "last_touch 30d",
           (conversions_first_touch_30d, revenue_first_touch_30d, margin_first_touch_30d) AS "first_touch 30d",
           (conversions_linear_30d, revenue_linear_30d, margin_linear_30d) AS "linear 30d",
           (conversions_time_decay_30d, revenue_time_decay_30d, margin_time_decay_30d) AS "time_decay 30d",
           (conversions_position_based_30d, revenue_position_based_30d, margin_position_based_30d) AS "position_based 30d",
           (conversions_j_shaped_30d, revenue_j_shaped_30d, margin_j_shaped_30d) AS "j_shaped 30d",
           (conversions_last_click_30d, revenue_last_click_30d, margin_last_click_30d) AS "last_click 30d",
           (conversions_first_click_30d, revenue_first_click_30d, margin_first_click_30d) AS "first_click 30d",
           (conversions_last_non_direct_30d, revenue_last_non_direct_30d, margin_last_non_direct_30d) AS "last_non_direct 30d",
           (conversions_last_touch_90d, revenue_last_touch_90d, margin_last_touch_90d) AS "last_touch 90d",
           (conversions_first_touch_90d, revenue_first_touch_90d, margin_first_touch_90d) AS "first_touch 90d",
           (conversions_linear_90d, revenue_linear_90d, margin_linear_90d) AS "linear 90d",
           (conversions_time_decay_90d, revenue_time_decay_90d, margin_time_decay_90d) AS "time_decay 90d",
           (conversions_position_based_90d, revenue_position_based_90d, margin_position_based_90d) AS "position_based 90d",
           (conversions_j_shaped_90d, revenue_j_shaped_90d, margin_j_shaped_90d) AS "j_shaped 90d",
           (conversions_last_click_90d, revenue_last_click_90d, margin_last_click_90d) AS "last_click 90d",
           (conversions_first_click_90d, revenue_first_click_90d, margin_first_click_90d) AS "first_click 90d",
           (conversions_last_non_direct_90d, revenue_last_non_direct_90d, margin_last_non_direct_90d) AS "last_non_direct 90d"
        INTO NAME name VALUE conversions, revenue, margin)
    WHERE conversions > 0;

-- any_touch: the whole conversion for each distinct (channel, campaign), channel and journey; a window holds it if its youngest touch lies within.
CREATE TEMP TABLE contact AS
    SELECT conversion, conversion_date, revenue, margin, channel, campaign, min(age) AS age
    FROM pair GROUP BY ALL;
CREATE TEMP TABLE days AS SELECT unnest([7, 30, 90]) AS days;

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
