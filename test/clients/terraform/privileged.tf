# PIM for groups: the rules of both sides of a group, who is eligible, and who is assigned for a while or for good.

resource "azuread_group_role_management_policy" "member" {
  group_id = azuread_group.privileged.object_id
  role_id  = "member"

  eligible_assignment_rules {
    expiration_required = false
  }

  active_assignment_rules {
    expiration_required                = false
    expire_after                       = "P365D"
    require_justification              = true
    require_multifactor_authentication = false
  }

  activation_rules {
    maximum_duration                   = var.changed ? "PT4H" : "PT8H"
    require_approval                   = true
    require_justification              = true
    require_ticket_info                = var.changed
    require_multifactor_authentication = false

    approval_stage {
      primary_approver {
        type      = "singleUser"
        object_id = azuread_user.lead.object_id
      }
      primary_approver {
        type      = "groupMembers"
        object_id = var.changed ? azuread_group.operators.object_id : azuread_group.team.object_id
      }
    }
  }

  notification_rules {
    eligible_assignments {
      approver_notifications {
        notification_level    = "Critical"
        default_recipients    = false
        additional_recipients = ["eligible@${local.domain}", "security@${local.domain}"]
      }
      assignee_notifications {
        notification_level = "All"
        default_recipients = true
      }
    }
    active_assignments {
      admin_notifications {
        notification_level    = "Critical"
        default_recipients    = true
        additional_recipients = ["active@${local.domain}"]
      }
    }
    eligible_activations {
      assignee_notifications {
        notification_level    = "All"
        default_recipients    = !var.changed
        additional_recipients = ["activated@${local.domain}"]
      }
    }
  }
}

resource "azuread_group_role_management_policy" "owner" {
  group_id = azuread_group.privileged.object_id
  role_id  = "owner"

  eligible_assignment_rules {
    expiration_required = false
  }

  active_assignment_rules {
    expiration_required = false
    expire_after        = "P180D"
  }

  activation_rules {
    maximum_duration                                   = "PT1H30M"
    required_conditional_access_authentication_context = "c1"
  }
}

resource "azuread_privileged_access_group_eligibility_schedule" "member_engineer" {
  group_id             = azuread_group_role_management_policy.member.group_id
  principal_id         = azuread_user.engineer.object_id
  assignment_type      = "member"
  justification        = var.changed ? "On call, nights too" : "On call"
  permanent_assignment = true
  ticket_number        = "4711"
  ticket_system        = "Desk"
}

resource "azuread_privileged_access_group_eligibility_schedule" "member_analyst" {
  group_id        = azuread_group_role_management_policy.member.group_id
  principal_id    = azuread_user.analyst.object_id
  assignment_type = "member"
  justification   = "Project"
  expiration_date = var.until
}

resource "azuread_privileged_access_group_eligibility_schedule" "owner_engineer" {
  group_id        = azuread_group_role_management_policy.owner.group_id
  principal_id    = azuread_user.engineer.object_id
  assignment_type = "owner"
  duration        = var.changed ? "P900D" : "P800D"
}

# This one is over when the plan is looked at after a year: what was asked for is told all the same.
resource "azuread_privileged_access_group_eligibility_schedule" "owner_analyst" {
  group_id        = azuread_group_role_management_policy.owner.group_id
  principal_id    = azuread_user.analyst.object_id
  assignment_type = "owner"
  justification   = "Stands in"
  duration        = "P90D"
}

resource "azuread_privileged_access_group_assignment_schedule" "member_analyst" {
  group_id             = azuread_group_role_management_policy.member.group_id
  principal_id         = azuread_user.analyst.object_id
  assignment_type      = "member"
  justification        = var.changed ? "Keeps the lights on, everywhere" : "Keeps the lights on"
  permanent_assignment = true
}

resource "azuread_privileged_access_group_assignment_schedule" "owner_lead" {
  group_id        = azuread_group_role_management_policy.owner.group_id
  principal_id    = azuread_user.lead.object_id
  assignment_type = "owner"
  justification   = "Answers for it"
  expiration_date = var.until
}
