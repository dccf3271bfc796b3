//! A function call with all that may stand around its arguments.

use policy::Lineage;
use sqlparser::ast::{
    Function, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArgumentClause, FunctionArguments,
    OrderByExpr, WindowFrameBound, WindowSpec, WindowType,
};

use super::super::Reader;
use super::super::call::Called;
use super::super::scope::Scope;
use super::asking::own_name;
use super::{Typed, returns_rows};
use crate::flow::{add, constant};
use crate::keywords::{is_reserved, may_name_function};
use crate::names::{Builtin, builtin};

impl Reader<'_> {
    /// What the call's value may carry: the arguments, and what the function itself brings.
    pub(in crate::read) fn function(&mut self, function: &Function, scope: &Scope<'_>) -> Lineage {
        let Function { name, uses_odbc_syntax, parameters, args, within_group, filter, null_treatment, over } =
            function;
        if *uses_odbc_syntax || null_treatment.is_some() || !matches!(parameters, FunctionArguments::None) {
            return self.unsupported("call");
        }
        let mut typed = Typed::Unknown;
        let mut sum = match (args, name.0.as_slice()) {
            // CURRENT_USER and its like stand without parentheses: sqlparser takes them for calls.
            (FunctionArguments::None, [part]) => {
                if let Some(ident) = part.as_ident() {
                    self.meet(ident);
                    if !is_value_word(&ident.value) || ident.quote_style.is_some() {
                        return self.unsupported("call");
                    }
                }
                constant()
            }
            // ARRAY(SELECT …)
            (FunctionArguments::Subquery(query), [part]) if is_array_word(part.as_ident()) => {
                if let Some(ident) = part.as_ident() {
                    self.meet(ident);
                }
                let rows = self.query(query, Some(scope)).all();
                self.read_in_expression(&rows);
                rows
            }
            (FunctionArguments::None | FunctionArguments::Subquery(_), _) => {
                return self.unsupported("call");
            }
            (FunctionArguments::List(list), _) => {
                let called = self.call_written(name);
                let mut sum = called.carried;
                let Called { keeps, gathers, asks, .. } = called;
                let start = self.unasked.len();
                if gathers || over.is_some() {
                    scope.gather();
                }
                self.given(name, &list.args);
                let mut args = Vec::with_capacity(list.args.len());
                for arg in &list.args {
                    let lineage = self.argument(arg, scope);
                    args.push((self.typed, lineage.clone()));
                    if keeps {
                        self.store(lineage.clone());
                    }
                    add(&mut sum, lineage);
                }
                if name.0.last().and_then(|part| part.as_ident()).is_some_and(|i| returns_rows(&i.value)) {
                    // How many rows there are tells what it is given.
                    self.steer(sum.clone());
                }
                for clause in &list.clauses {
                    add(&mut sum, self.argument_clause(clause, scope));
                }
                if asks {
                    self.ask(start);
                }
                let own = own_name(name);
                if own == Some("coalesce") {
                    self.converts(&args);
                }
                typed = Typed::of_call(own, &args);
                sum
            }
        };
        add(&mut sum, self.order_by_exprs(within_group, scope));
        if let Some(filter) = filter {
            add(&mut sum, self.expr(filter, scope));
        }
        match over {
            None => {}
            Some(WindowType::NamedWindow(ident)) => {
                // What the window itself reads was read with its definition; ranks may carry it.
                let name = self.name(ident);
                add(&mut sum, scope.window(&name));
            }
            Some(WindowType::WindowSpec(spec)) => {
                let lineage = self.window(spec, scope);
                // The rows come in its order, and it fails where its frame begins or ends at less than nothing.
                self.steer(lineage.clone());
                add(&mut sum, lineage);
            }
        }
        self.typed = typed;
        sum
    }

    /// Whether an unquoted word of the grammar may stand for a function here.
    pub(super) fn is_callable(&self, word: &str) -> bool {
        may_name_function(word)
            || (!is_reserved(word) && builtin(word) == Builtin::Harmless)
            || is_value_word(word)
    }

    pub(in crate::read) fn argument(&mut self, arg: &FunctionArg, scope: &Scope<'_>) -> Lineage {
        match arg {
            FunctionArg::Named { name, arg, operator } => {
                let mut sum = match operator {
                    FunctionArgOperator::RightArrow | FunctionArgOperator::Assignment => {
                        self.label(name);
                        constant()
                    }
                    // json_object(key : value): the key is an expression too.
                    FunctionArgOperator::Colon | FunctionArgOperator::Value => self.unsupported("argument"),
                    FunctionArgOperator::Equals | FunctionArgOperator::Space => self.unsupported("argument"),
                };
                add(&mut sum, self.argument_value(arg, scope));
                sum
            }
            FunctionArg::ExprNamed { name, arg, operator } => {
                let mut sum = match operator {
                    FunctionArgOperator::Colon | FunctionArgOperator::Value => self.expr(name, scope),
                    FunctionArgOperator::RightArrow | FunctionArgOperator::Assignment => match name {
                        sqlparser::ast::Expr::Identifier(ident) => {
                            self.label(ident);
                            constant()
                        }
                        _ => self.unsupported("argument"),
                    },
                    FunctionArgOperator::Equals | FunctionArgOperator::Space => self.unsupported("argument"),
                };
                add(&mut sum, self.argument_value(arg, scope));
                sum
            }
            FunctionArg::Unnamed(arg) => self.argument_value(arg, scope),
        }
    }

    fn argument_value(&mut self, arg: &FunctionArgExpr, scope: &Scope<'_>) -> Lineage {
        match arg {
            FunctionArgExpr::Expr(expr) => self.expr(expr, scope),
            // count(*): how many, not what.
            FunctionArgExpr::Wildcard => constant(),
            // The bridge makes them references that end in a star.
            FunctionArgExpr::QualifiedWildcard(_) | FunctionArgExpr::WildcardWithOptions(_) => {
                self.unsupported("argument")
            }
        }
    }

    fn argument_clause(&mut self, clause: &FunctionArgumentClause, scope: &Scope<'_>) -> Lineage {
        match clause {
            FunctionArgumentClause::OrderBy(order) => self.order_by_exprs(order, scope),
            FunctionArgumentClause::JsonNullClause(_) => constant(),
            FunctionArgumentClause::JsonReturningClause(returning) => {
                self.data_type(&returning.data_type);
                constant()
            }
            FunctionArgumentClause::IgnoreOrRespectNulls(_)
            | FunctionArgumentClause::Where(_)
            | FunctionArgumentClause::Limit(_)
            | FunctionArgumentClause::OnOverflow(_)
            | FunctionArgumentClause::Having(_)
            | FunctionArgumentClause::Separator(_) => self.unsupported("argument"),
        }
    }

    pub(in crate::read) fn order_by_exprs(&mut self, order: &[OrderByExpr], scope: &Scope<'_>) -> Lineage {
        let mut sum = constant();
        for item in order {
            let OrderByExpr { expr, options, with_fill } = item;
            if with_fill.is_some() {
                add(&mut sum, self.unsupported("ORDER BY"));
            }
            if let Some(sqlparser::ast::OrderBySort::Using(operator)) = &options.sort {
                add(&mut sum, self.sort_operator(operator));
            }
            add(&mut sum, self.expr(expr, scope));
        }
        sum
    }

    /// What a window reads.
    pub(in crate::read) fn window(&mut self, spec: &WindowSpec, scope: &Scope<'_>) -> Lineage {
        let WindowSpec { window_name, partition_by, order_by, window_frame } = spec;
        let mut sum = constant();
        if let Some(name) = window_name {
            let name = self.name(name);
            sum = scope.window(&name);
        }
        add(&mut sum, self.exprs(partition_by, scope));
        add(&mut sum, self.order_by_exprs(order_by, scope));
        if let Some(frame) = window_frame {
            for bound in [Some(&frame.start_bound), frame.end_bound.as_ref()].into_iter().flatten() {
                match bound {
                    WindowFrameBound::CurrentRow => {}
                    WindowFrameBound::Preceding(offset) | WindowFrameBound::Following(offset) => {
                        add(&mut sum, self.exprs(offset.as_deref(), scope));
                    }
                }
            }
        }
        sum
    }
}

/// Words that are values without parentheses (9.26), and the clock's with an optional precision.
pub(in crate::read) fn is_value_word(word: &str) -> bool {
    matches!(
        word,
        "current_catalog"
            | "current_date"
            | "current_role"
            | "current_time"
            | "current_timestamp"
            | "current_user"
            | "localtime"
            | "localtimestamp"
            | "session_user"
            | "system_user"
            | "user"
    )
}

fn is_array_word(ident: Option<&sqlparser::ast::Ident>) -> bool {
    ident.is_some_and(|i| i.quote_style.is_none() && i.value == "array")
}
