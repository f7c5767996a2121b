/**
 * The `coop.yaml` of a co-op that has decided nothing yet: every setting with its default, its unit, and where the
 * figure comes from. Reading it gives DEFAULT_SETTINGS in the time zone named.
 */
export const settingsTemplate = (timeZone: string): string => `\
# coop.yaml: what this co-op decided for itself.
#
# The server reads this file when it starts, and starts only when all of it makes sense; it never changes it.
# After a change:  coop settings check   says whether it can be read, with the line of what is wrong;
# then restart the server. Whatever is left out has the value written here.

# How statements call the co-op.
name: Our co-op

# Days and months of quotas, budgets and statements begin at midnight here. An IANA name.
# A change moves the borders of days to come only.
timeZone: ${timeZone}

# ---------------------------------------------------------------------------------------------------------------
# What a member may use, unless an operator set something else for them (coop members set).
# ---------------------------------------------------------------------------------------------------------------
quotas:
  # Tokens in a calendar month, prompts and answers together:
  #   equal-share    what all machines of the co-op can make in a month, divided by its members
  #   20_000_000     so many, the same for everyone
  #   unlimited
  tokensPerMonth: equal-share

  # Equal share only: the part of what the machines can make that is divided, above 0 and at most 1. At 1 every
  # member can use their whole share at once. Less keeps something back for machines that fail.
  shareOfCapacity: 1

  # Besides that, most tokens in a month for jobs that ask for a tier (edge, local-small, local-large, frontier).
  # A tier that is not named has no cap of its own. Earned credit raises the quota above, never a cap.
  tierTokensPerMonth:
    # local-large: 5_000_000

  # Most jobs of a member that wait or run at one time, and most that a member may send in a minute.
  # A number, or unlimited.
  jobsAtOnce: unlimited
  requestsPerMinute: unlimited

# ---------------------------------------------------------------------------------------------------------------
# What members earn whose machines serve others.
# ---------------------------------------------------------------------------------------------------------------
contribution:
  # Tokens added to the owner's quota of the month for every 1,000 tokens that other members were charged for on
  # the owner's machine, by the tier of the model that served: 0 to 1,000. A larger model keeps a machine busy for
  # longer. Credit comes on top: it takes nothing from another member's share.
  creditPerMille:
    edge: 250
    local-small: 500
    local-large: 1_000
    frontier: 0

# ---------------------------------------------------------------------------------------------------------------
# How long prompts and answers of a job that has ended are kept, always encrypted: 90m, 24h, 7d, at most 30d.
# 0 deletes them as soon as they were delivered; what nobody reads goes after 24h.
# ---------------------------------------------------------------------------------------------------------------
retention: 24h

# ---------------------------------------------------------------------------------------------------------------
# Money: for statements only. Nobody is billed by this program. Every figure below is an example to replace.
# ---------------------------------------------------------------------------------------------------------------
money:
  # ISO 4217, such as SEK, EUR or USD. All amounts below are in it.
  currency: SEK

  # Price of a kilowatt-hour with grid fees and tax. At 1.75, a machine that draws 120 watts around the clock
  # costs about 150 a month.
  electricityPerKwh: 1.75

  # Over how many months the price of a machine is spread.
  hardwareMonths: 36

  # What else the co-op pays every month, such as a line or a domain.
  otherPerMonth: 0

  # What machines cost and draw. The key is a node's name (coop nodes lists them) or a kind of machine; the name
  # goes first. A machine that is not listed here counts with neither price nor power, and statements say so.
  #   price       what was paid for it; 0 for one that would be there anyway
  #   busyWatts   drawn from the wall while it generates
  #   idleWatts   drawn while it waits
  # Prices are what shops asked in Sweden. Busy watts are measured under a language model's load, idle watts are
  # makers' figures for the nearest model, or estimates: a meter in the socket knows better.
  machines:
    mac-studio-m4-max-128:
      price: 40_000
      busyWatts: 120
      idleWatts: 10
    mac-studio-m3-ultra-256:
      price: 95_000
      busyWatts: 180
      idleWatts: 10
    macbook-air-m4-32:
      price: 20_000
      busyWatts: 15
      idleWatts: 3
    raspberry-pi-5-8:
      price: 1_200
      busyWatts: 10
      idleWatts: 3
    rtx-4090: # the whole computer
      price: 36_500
      busyWatts: 750
      idleWatts: 70
    rtx-5090:
      price: 54_000
      busyWatts: 950
      idleWatts: 70
    # a node by its name:
    # living-room:
    #   price: 0
    #   busyWatts: 60
    #   idleWatts: 8

  # Prices for a million tokens that statements compare with. Here: the makers' list prices in dollars
  # (1 and 5, 3 and 15, 5 and 25) at 10 kronor to the dollar.
  cloudPrices:
    - name: Claude Haiku 4.5
      inputPerMillion: 10
      outputPerMillion: 50
    - name: Claude Sonnet 4.6
      inputPerMillion: 30
      outputPerMillion: 150
    - name: Claude Opus 4.8
      inputPerMillion: 50
      outputPerMillion: 250
`;
