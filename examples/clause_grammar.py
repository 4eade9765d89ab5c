"""The wording of the synthetic contract clauses: one list of patterns per label.

Here: words only. Not here: how they are drawn and written to files (`make_contract_clauses.py`).

A pattern is plain text with two kinds of holes: `[x|y|]` stands for one of its alternatives (the empty one included),
and `{name}` for something the contract fixes, such as a party or its law. Every pattern was written for this project;
none is taken from a real contract. Verbs stand with modals so that "we", "the Supplier" and a company name all fit.
"""

# The last two patterns of each label are kept out of the training files: a model meets them in validation and test only.
HELD_OUT = 2

# Clauses on neighbouring topics share words on purpose: "court" stands in governing-law and in dispute-resolution,
# "loss" in liability, indemnification and insurance, "disclose" in confidentiality and in data-protection.
PATTERNS: dict[str, list[str]] = {
    "governing-law": [
        "[This Agreement|This Contract|The present agreement] [shall be|is] governed by[, and construed in accordance with,|] the laws of {law}[, without regard to its conflict of laws rules|, excluding the UN Convention on Contracts for the International Sale of Goods|].",
        "The [validity, interpretation and performance|construction and effect|formation and meaning] of these [terms|provisions] [follow|are determined by|are subject to] the law of {law} [alone|and no other|as applied between residents of that place].",
        "[Any non-contractual obligation arising out of or in connection with this Agreement|Whatever arises from this document, in contract or in tort,] [shall likewise be|is also] [judged|decided] under {law} law.",
        "The parties [choose|have chosen|elect] the substantive law of {law}; [its private international law is excluded|renvoi is excluded|no rule of another legal system displaces that choice].",
        "If you [ask|wonder] whose [rules|statutes] [apply to|stand behind] this arrangement: those of {law}[, wherever you live|, whichever country you order from].",
        "[Mandatory consumer rules of the place of residence remain unaffected; otherwise|Save where mandatory rules provide otherwise,] the legal system of {law} [controls|applies to] [this relationship|the parties' relationship in full].",
        "[Questions of interpretation|Matters not settled here] [shall be answered|are to be resolved] by reference to the statutes and case law of {law}.",
        "Each Work Order [inherits|is read under] the same applicable law as this [Master Agreement|framework], namely that of {law}.",
    ],
    "dispute-resolution": [
        "Any [dispute|controversy|difference] [arising out of|relating to] this [Agreement|Contract] shall be [finally settled|resolved] by [one arbitrator|three arbitrators] [under the rules of {institution}|appointed by {institution}], [seated in|with its seat at] {city}.",
        "The courts of {city} [shall have|have] [exclusive|non-exclusive] jurisdiction [over any claim|to hear proceedings] [brought under|connected with] this Agreement.",
        "Before [commencing|starting] proceedings, [the parties' senior executives|a director of each party] must meet [within {days} days|in person or by video] and try in good faith to [settle the matter|reach an amicable solution].",
        "[Either party may refer|{a} or {b} may refer] an unresolved [disagreement|complaint] to mediation [administered by {institution}|before a neutral chosen by both]; its cost is shared equally.",
        "You and we [agree to|will] bring claims [only individually|one by one], and not as a [class member|plaintiff in a representative action]; [small claims|injunctions] [remain available|are excepted].",
        "The [award|decision] of the tribunal [is final and binding|shall bind both sides], and judgment upon it may be entered in any court [of competent jurisdiction|having authority over the losing party].",
        "[Technical questions|Questions of valuation] shall be put to an independent expert, [who acts as expert and not as arbitrator|whose determination binds save for manifest error], in {city}.",
        "[Escalation|The escalation ladder]: project leads first, then [heads of department|the steering committee], then [the competent court at {city}|arbitration under {institution} rules].",
    ],
    "limitation-of-liability": [
        "[In no event shall|Under no circumstances will] {a} be liable for [any indirect, incidental or consequential damages|loss of profit, goodwill or anticipated savings|special or punitive damages][, even if advised of their possibility|, however caused|].",
        "{a_cap}'s [total|aggregate] liability [under or in connection with this Agreement|for all claims in a contract year] shall not exceed [{money}|the fees paid in the preceding {months} months|{percent} per cent of the annual charges].",
        "[Nothing in this Agreement excludes or limits|These terms do not restrict] liability for [death or personal injury caused by negligence|fraud or wilful misconduct|anything that cannot lawfully be limited].",
        "[Neither party|Neither {a} nor {b}] [is answerable|will be responsible] to the other for [lost revenue|business interruption|corruption of records], [whether in contract, tort or otherwise|on any legal theory].",
        "The [cap|ceiling] set out above [applies also to|covers] [negligence and breach of statutory duty|the acts of subcontractors|claims brought by affiliates], and [does not renew|is not increased] if several claims arise.",
        "For slight negligence {a} shall answer only where a [cardinal duty|material obligation] was breached, and then only up to the [foreseeable|typical] damage.",
        "Whatever goes wrong, the most you can [recover|claim] from us is [what you paid us in the last {months} months|{money}].",
        "[The exclusions in this Section|These restrictions] reflect [the price charged|a fair allocation of risk], and {b} [accepts|has considered] them with that in mind.",
    ],
    "indemnification": [
        "{a_cap} shall [indemnify, defend and hold harmless|indemnify and keep indemnified] {b} [and its officers|and its affiliates|] [from and against|against] [all losses, damages and legal fees|any third-party claim] arising from [infringement of third-party rights|breach of this Agreement|{a}'s negligence].",
        "{b_cap} will [make good|reimburse] {a} for [any fine or penalty|the cost of defending proceedings] [brought by a third party|imposed by an authority] because of [content that {b} supplied|{b}'s misuse of the deliverables].",
        "The [indemnified party|party seeking indemnity] must [give prompt written notice of the claim|notify the other within {days} days], [hand over control of the defence|allow the other to conduct the defence], and [give reasonable assistance|make no admission].",
        "[No settlement|A settlement] that [admits fault|imposes an obligation] [may be concluded|is allowed] without the consent of the party being [held harmless|defended].",
        "If somebody sues us over [what you uploaded|how you used the service], you will [cover|pay] [our reasonable lawyers' fees|the damages awarded] [and any settlement we agree|].",
        "[This duty to hold harmless|The indemnity above] does not extend to losses [to the extent caused by the claimant's own act|that the other party could have mitigated].",
        "Where the materials are [alleged|held] to infringe, {a} shall at its own cost [defend {b} against the allegation|bear the resulting award] and [modify or replace them|procure the right to go on using them].",
        "{a_cap} must [compensate|hold] {b} [for|free of] [claims by {a}'s employees|tax assessed on {a}'s staff|environmental clean-up demands by authorities].",
    ],
    "termination": [
        "[Either party|{a_cap}|{b_cap}] may terminate this [Agreement|Contract] [on|by giving] [{days} days'|{months} months'] [prior written notice|notice in writing][ to the other|].",
        "[If a party commits a material breach|Where a material default occurs] [and fails to remedy it within {days} days|that cannot be cured], the other may [end|terminate] this Agreement [with immediate effect|forthwith].",
        "[Upon expiry or termination|When this Agreement ends], {b} shall [cease using|return] [the deliverables|all equipment], and [accrued rights survive|outstanding invoices fall due].",
        "This Agreement [begins on|commences upon] {date} and [continues for an initial term of {months} months|remains in force until ended by either side].",
        "[Insolvency, administration or liquidation|The appointment of a receiver] of a party [entitles the other to|is a ground for the other to] [bring this contract to an end|terminate at once].",
        "You can [close your account|cancel] [at any time|whenever you like]; [we will stop the service at the end of the month|what you have paid is refunded pro rata].",
        "We may [suspend or close|withdraw] your access [if you break these rules|where the law requires it][, after warning you|, with {days} days' warning].",
        "Unless [cancelled|notice is given] at least {days} days before the end of the [current|then-running] term, it [renews|is extended] for a further {months} months.",
    ],
    "confidentiality": [
        "Each party [shall keep|undertakes to keep] [secret|strictly confidential] all [non-public information|technical and commercial information] [received from|disclosed by] the other, and [shall not disclose it to third parties|use it for the purposes of this Agreement only].",
        "[The duty of secrecy|These obligations] [does not apply to|exclude] information that [is or becomes public without breach|was lawfully known before disclosure|was independently developed].",
        "The [receiving party|Recipient] may [reveal|share] [Confidential Information|what it has learned] [to advisers bound by equal duties|where a court so orders], [giving prior notice where lawful|but no further than needed].",
        "The obligations of this Section [survive for|continue for] {months} months after [the end of this Agreement|the last disclosure][; trade secrets remain protected as long as they are secret|].",
        "Neither of us will [talk to the press about|publish] [the terms of this deal|the other's plans] without [written permission|the other's agreement].",
        "On request, {b} must [destroy or return|delete] every [document|copy] bearing [{a}'s know-how|proprietary information], [save one archival copy|and certify that it has done so].",
        "[Source code, price lists and roadmaps|Drawings, samples and customer lists] [are|count as] trade secrets of {a}, and must be [guarded|protected] with [at least the care {b} gives to its own|no less than reasonable care].",
        "A breach of [this secrecy undertaking|the non-disclosure duty] would cause harm that money cannot repair; [an injunction may be sought|interim relief may be requested].",
    ],
    "data-protection": [
        "{a_cap} shall process personal data only [on documented instructions from {b}|for the purposes set out in Annex {n}] and [in accordance with|as required by] [the GDPR|applicable privacy law|the Data Protection Act].",
        "[In the event of a personal data breach|Should personal records be exposed], {a} must notify {b} [without undue delay|within {hours} hours] and [describe the data subjects concerned|help with notices to the authority].",
        "[No sub-processor|No further processor] may be engaged [without prior authorisation|unless {b} has been told {days} days ahead], and [the same duties must be imposed on it|{a} remains answerable for it].",
        "Transfers of personal data outside [the European Economic Area|{law}] [require|are subject to] [standard contractual clauses|an adequacy decision or equivalent safeguard].",
        "We [collect|use] your [name, address and payment details|contact data] [to deliver the service|so that we can answer you]; you may [ask for a copy|have them corrected or erased] at any time.",
        "{a_cap} shall [implement appropriate technical and organisational measures|encrypt personal data at rest and in transit] and let {b} [audit them once a year|inspect the records of processing].",
        "[After the services end|At the choice of {b}], all personal data [shall be deleted or returned|must be erased within {days} days], [unless the law requires storage|backups included].",
        "Requests by [data subjects|individuals] for [access, rectification or erasure|portability] [shall be forwarded|must be passed] to {b} within {days} days.",
    ],
    "payment": [
        "{b_cap} shall pay [each invoice|all undisputed invoices] [within {days} days of receipt|no later than {days} days after its date] [by bank transfer|without set-off|].",
        "[The fees are|The price is] {money} [per month|per unit|in total], [exclusive of value added tax|plus any sales tax due].",
        "[Late payments|Sums overdue] [bear|shall carry] interest at {rate} per cent [per annum|above the base rate], [calculated daily|from the due date until paid].",
        "{a_cap} may [adjust its rates|increase the charges] [once a year|on each anniversary] [in line with the consumer price index|by no more than {rate} per cent][, on {days} days' notice|].",
        "[Travel and accommodation|Reasonable out-of-pocket expenses] [shall be reimbursed|are charged] [at cost|against receipts][, provided {b} approved them beforehand|].",
        "Your card will be charged {money} [every month|on the first of each month]; [prices include tax|if a charge fails we will try again].",
        "{b_cap} may withhold [an amount disputed in good faith|up to {rate} per cent as retention] until [the dispute is settled|acceptance], and must pay the [rest|undisputed part].",
        "[A deposit of|An advance of] {money} [falls due on signature|is payable before work starts] and will be [credited against the final invoice|refunded if {a} does not perform].",
    ],
    "intellectual-property": [
        "[All intellectual property rights in|Title to, and copyright in,] the [deliverables|software|works] [shall vest in|remain with] {a} [upon creation|at all times].",
        "{a_cap} [grants|hereby grants] {b} a [non-exclusive|worldwide, royalty-free|non-transferable] licence to [use|reproduce and adapt] the [materials|software] [for its internal business|during the term].",
        "[Except as expressly granted|Beyond the licence above], no right in any [patent, trade mark or copyright|trade mark or design] is [conveyed|transferred].",
        "{b_cap} must not [decompile|reverse engineer|sublicense] the [software|code], [save as the law allows|nor remove its notices].",
        "Inventions [made by the employee|conceived in the course of the work] [belong to|are the property of] {a}, and the [author|inventor] shall sign whatever [is needed to register them|an assignment requires].",
        "What you [write|upload] stays yours; you [give us|allow us] a licence to [display it|store and show it] [while it is on the service|for as long as you leave it there].",
        "[Pre-existing materials|Background technology] [remain the property of|are owned by] the party that [brought them in|created them]; improvements [follow their origin|are owned jointly].",
        "{b_cap} may [use|show] {a}'s [name and logo|trade marks] only [in the form approved|as the brand guide allows], and [gains no goodwill in them|all goodwill accrues to {a}].",
    ],
    "warranty": [
        "{a_cap} [warrants|represents and warrants] that the [services will be performed with reasonable skill and care|goods will conform to the specification|software will perform substantially as documented] [for {months} months|].",
        '[Except as set out here|Other than the express warranties], the [product|service] is provided ["as is"|"as available"], and all [implied warranties|conditions of merchantability and fitness] are [disclaimed|excluded].',
        "[Each party|Each signatory] [represents|confirms] that it has [full power and authority|every consent needed] to [enter into|perform] this Agreement.",
        "[If a defect appears|Should the goods prove faulty] within {months} months [of delivery|of acceptance], {a} shall [repair or replace them|remedy the defect] [free of charge|at its own expense].",
        "This guarantee [lapses|is void] where {b} [altered the goods|used them contrary to the manual|failed to report the fault within {days} days].",
        "We [promise|will make sure] that what we deliver [matches its description|is of satisfactory quality]; [your statutory rights stay as they are|if not, tell us and we will put it right].",
        "{a_cap} [gives no assurance|does not warrant] that the [results will be error-free|service will be uninterrupted][, or that it meets {b}'s needs|].",
        "The [goods|parts] shall be [new, free from liens|free from defects in material and workmanship] and [comply with the standards listed in Annex {n}|fit for the purpose made known to {a}].",
    ],
    "force-majeure": [
        "[Neither party|No party] shall be [in breach|liable for delay] [where performance is prevented by|to the extent caused by] [events beyond its reasonable control|an act of God, war or epidemic|flood, fire or strike].",
        "The [affected party|party hindered] must [notify the other promptly|give notice within {days} days], [state the likely duration|use reasonable efforts to resume], and [mitigate the effects|keep the other informed].",
        "If the [impediment|event] lasts [more than {days} days|longer than {months} months], [either party may withdraw|the unaffected party may cancel the order].",
        "[Embargoes, acts of government and failure of public networks|Pandemic, earthquake and civil unrest] [count as|are deemed] [supervening events|circumstances of relief] for this Section.",
        "[Time for performance|Every deadline] [is extended|shall be moved] by as long as the [hindrance|supervening circumstance] [lasted|persists].",
        "Want of funds [is not|shall never be] [an excuse under this Section|an event beyond control].",
        "We are not at fault if [a storm, a strike or a power cut|something nobody could foresee] [keeps us from delivering|stops the service]; we will [start again as soon as we can|tell you what happened].",
        "{a_cap} shall [maintain|keep] a [contingency plan|disaster recovery plan] for [extraordinary events|catastrophes], [tested once a year|shown to {b} on request].",
    ],
    "assignment": [
        "[Neither party may|{b_cap} may not] assign[, novate or otherwise transfer|] [this Agreement|its rights or duties] [without the prior written consent of the other|unless {a} agrees in writing][, such consent not to be unreasonably withheld|].",
        "{a_cap} may [transfer this Agreement to an affiliate|assign it to a purchaser of its business], [on notice to {b}|provided the assignee assumes every obligation].",
        "This Agreement [binds and benefits|inures to the benefit of] the parties' [successors and permitted assigns|heirs and legal successors].",
        "[Any purported transfer|An attempt to assign] in breach of this Section is [void|of no effect].",
        "A change of control of {b} [is deemed a transfer|counts as an assignment] [requiring consent|for the purposes of this Section].",
        "{a_cap} may [subcontract|delegate] [parts of the work|the services], but [remains responsible for|answers for] [its subcontractors|those it engages].",
        "You may not [hand over|pass on] your account to [anyone else|another person]; we may [transfer ours to another company|move it to a company that takes over from us], and will tell you.",
        "[Receivables|Claims for money] under this Agreement may be [pledged or sold|assigned to a bank] [freely|without consent].",
    ],
}

# How often each label is drawn: real contracts are not balanced, so neither is this set.
WEIGHTS: dict[str, int] = {
    "payment": 14, "termination": 13, "confidentiality": 11, "intellectual-property": 10, "limitation-of-liability": 9,
    "warranty": 8, "data-protection": 8, "governing-law": 6, "dispute-resolution": 6, "indemnification": 6,
    "assignment": 5, "force-majeure": 4,
}  # fmt: skip

# A lead that names another topic, so that a bag of words alone does not give the label away.
LEADS: list[str] = [
    "Subject to Section {n} ({topic}), ",
    "Without prejudice to the provisions on {topic}, ",
    "Notwithstanding anything in Section {n} on {topic}, ",
    "Save as Section {n} ({topic}) provides, ",
    'In addition to the duties under "{topic_cap}", ',
]

# A second sentence that carries no topic of its own.
TAILS: list[str] = [
    "Section {n} applies accordingly.",
    "The parties shall record this in writing.",
    "This provision stands on its own and may be severed.",
    "Headings are for convenience only.",
    "Annex {n} forms part of this clause.",
    "The foregoing applies to each Statement of Work.",
    "For details see Schedule {n}.",
    "No waiver follows from delay in enforcing it.",
]

# Ways a clause begins in print.
MARKS: list[str] = ["{n}.{m} ", "§ {n} ({m}) ", "({letter}) ", "Clause {n}.{m}: ", "{n}.{m}.{m} "]
